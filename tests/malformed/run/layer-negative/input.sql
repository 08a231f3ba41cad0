UPDATE condition SET layer = -7 WHERE id = 2;
