UPDATE generation SET ids = x'ffffffff', n_tokens = 1 WHERE id = 2;
