UPDATE part SET arguments = '{}';
