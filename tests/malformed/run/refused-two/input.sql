UPDATE generation SET refused = 2 WHERE id = 2;
