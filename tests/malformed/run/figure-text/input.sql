UPDATE figure SET value = 'much', name = 'chance' WHERE name = 'planned';
