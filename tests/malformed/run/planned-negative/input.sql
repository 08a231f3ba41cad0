UPDATE figure SET value = -1 WHERE name = 'planned';
