UPDATE generation SET ids = x'010203', n_tokens = 1 WHERE id = 2;
