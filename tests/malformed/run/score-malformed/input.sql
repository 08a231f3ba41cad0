UPDATE judgement SET status = 'malformed';
