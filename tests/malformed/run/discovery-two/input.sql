UPDATE prompt SET discovery = 2 WHERE id = 2;
