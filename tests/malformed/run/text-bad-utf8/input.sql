UPDATE generation SET text = CAST(x'61ff' AS TEXT) WHERE id = 3;
