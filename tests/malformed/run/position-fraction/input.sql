UPDATE condition SET position = 1.5 WHERE id = 2;
