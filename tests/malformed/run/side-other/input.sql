PRAGMA ignore_check_constraints = ON;
UPDATE prompt SET side = 'outside' WHERE id = 2;
