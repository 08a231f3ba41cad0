-- One scaling three times over, each with the controls of all three. Run after study.sql.
UPDATE condition SET multiplier = 0 WHERE part = 2 AND method IN ('cna', 'control');
