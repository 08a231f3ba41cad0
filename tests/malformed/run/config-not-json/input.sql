UPDATE part SET config = '{';
