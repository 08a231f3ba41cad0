-- Texts that try to be markup, shell words or numbers wherever a run file holds text. Run after study.sql.
UPDATE model SET name = '<script>alert(1)</script>', path = '"><img src=x onerror=alert(1)>' WHERE id = 1;
UPDATE prompt SET text = '<script>alert("prompt")</script> & <b>' || char(0x202e) || 'txt' || char(1, 27) WHERE side = 'harmful';
UPDATE prompt SET category = '=1+1,"</td><script>' WHERE category = 'keys';
UPDATE generation SET text = '</blockquote><script src="https://example.org/x.js"></script>' || char(10) || '<iframe>' WHERE refused;
UPDATE generation SET text = replace(hex(zeroblob(3000)), '00', '<i>') WHERE NOT refused AND quality > 0.6;
UPDATE file SET path = '<svg onload=alert(1)>';
UPDATE part SET machine = '{"cpu":"<script>","</dd>":1}', arguments = '["cna","a''b <script>`$(x)`","\u0000x"]' WHERE id = 2;
UPDATE figure SET detail = '{"</script>":"<!--"}' WHERE name = 'stability';
UPDATE judgement SET rubric = '<style>*{display:none}</style>';
UPDATE label SET labeller = '''"><script>';
