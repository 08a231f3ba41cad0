UPDATE part SET config = '[]';
