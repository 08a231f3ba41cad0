DROP TABLE choice;
