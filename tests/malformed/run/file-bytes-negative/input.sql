UPDATE file SET n_bytes = -1;
