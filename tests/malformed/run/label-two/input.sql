UPDATE label SET refused = 7;
