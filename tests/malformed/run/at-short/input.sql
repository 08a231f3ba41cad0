UPDATE judgement SET at = 'today';
