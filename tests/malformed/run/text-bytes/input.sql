UPDATE generation SET text = x'00ff' WHERE id = 3;
