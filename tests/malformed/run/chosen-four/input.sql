UPDATE choice SET chosen = 4;
