PRAGMA ignore_check_constraints = ON;
UPDATE generation SET stop = 'never' WHERE id = 2;
