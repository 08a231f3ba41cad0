UPDATE generation SET ids = 'four', n_tokens = 1 WHERE id = 2;
