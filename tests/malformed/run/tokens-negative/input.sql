UPDATE generation SET n_tokens = -4 WHERE id = 2;
