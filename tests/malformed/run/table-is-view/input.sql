DROP TABLE figure;
CREATE VIEW figure AS SELECT 1 AS part, NULL AS condition, 'x' AS name, 1 AS value, NULL AS detail;
