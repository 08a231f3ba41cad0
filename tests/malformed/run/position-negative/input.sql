UPDATE prompt SET position = -1 WHERE id = 2;
