UPDATE prompt SET sha256 = 'abc' WHERE id = 2;
