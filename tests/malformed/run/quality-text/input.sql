UPDATE generation SET quality = 'high' WHERE id = 3;
