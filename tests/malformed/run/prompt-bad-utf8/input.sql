UPDATE prompt SET text = CAST(x'c080' AS TEXT) WHERE id = 3;
