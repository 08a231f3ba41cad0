UPDATE judgement SET score = 2;
