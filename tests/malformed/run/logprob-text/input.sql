UPDATE choice SET logprob_c = 'low';
