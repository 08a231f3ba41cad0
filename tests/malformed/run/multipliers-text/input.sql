UPDATE condition SET multipliers = '["a"]' WHERE id = 2;
