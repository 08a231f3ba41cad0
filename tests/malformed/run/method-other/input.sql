PRAGMA ignore_check_constraints = ON;
UPDATE condition SET method = 'magic' WHERE id = 2;
