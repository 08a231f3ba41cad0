DROP VIEW generations;
CREATE VIEW generations AS SELECT 1 AS prompt;
