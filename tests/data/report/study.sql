-- A whole study of an invented pair of models, with every kind of row that a report shows. Numbers are made by formulas of
-- the rows' positions, so that rates differ everywhere and nothing is drawn at random. Run on an empty run file.
INSERT INTO model VALUES
 (1, 'tiny-instruct', 'models/tiny-instruct', 'llama', 'bf16', printf('%064x', 11), 4, 8, 16, 100),
 (2, 'tiny-base', 'models/tiny-base', 'llama', 'bf16', printf('%064x', 12), 4, 8, 16, 100);

INSERT INTO part
 SELECT column1, column2, column3, column4, '{"max_tokens":40,"patterns":"builtin","part":' || column1 ||
   iif(column1 = 4, ',"chat_options":{"prefix":"Well,","template_args":{"thinking":false}}', '') || '}',
  printf('%064x', column1), column5, 7, '2026-01-0' || column1, '0.1.0',
  '{"cpu":"test processor","n_threads":2}', '2026-01-01T00:00:0' || column1 || 'Z', '2026-01-01T00:01:0' || column1 || 'Z'
 FROM (VALUES
  (1, 'attribute', 'instruct', 1, '["/usr/bin/cna","attribute","-m","models/tiny-instruct","--positive","a b.txt"]'),
  (2, 'sweep', 'instruct', 1, '["cna","sweep","-m","models/tiny-instruct","--circuit","it''s.json","--run","run.db"]'),
  (3, 'sweep', 'instruct', 1, '["cna","sweep","-m","models/tiny-instruct","--k-list","2,4,8","--run","run.db"]'),
  (4, 'sweep', 'base', 2, '["cna","sweep","-m","models/tiny-base","--run","run.db"]'),
  (5, 'sweep', 'transfer', 2, '["cna","sweep","-m","models/tiny-base","--circuit","refusal.json","--run","run.db"]'),
  (6, 'mmlu', 'instruct', 1, '["cna","mmlu","-m","models/tiny-instruct","--run","run.db"]'));

INSERT INTO file
 SELECT part.id, 'prompts', 'data/prompts.csv', printf('%064x', 99), 1234 FROM part WHERE command = 'sweep';

-- Circuits of eight neurons; three of base's are instruct's too.
CREATE TEMP TABLE circuit_of (part INTEGER, name TEXT, shift INTEGER);
INSERT INTO circuit_of VALUES (1, 'tiny-instruct', 0), (2, 'tiny-instruct', 0), (4, 'tiny-base', 5), (5, 'tiny-instruct', 0);
INSERT INTO circuit (part, label, sha256, json)
 SELECT part, CASE name WHEN 'tiny-base' THEN 'out/base.json' ELSE 'out/refusal.json' END, printf('%064x', 500 + shift),
  '{"format":"cna-circuit","version":1,"model":{"name":"' || name || '","architecture":"llama","n_layers":4,"mlp_dim":16,'
  || '"hidden_dim":8,"dtype":"bf16","fingerprint":null},"method":{"name":"cna","preset":"paper","score":"delta",'
  || '"fraction":null,"k":8,"layers":[0,3],"per_layer":false,"universal":{"source":"none","threshold":0,"share":0,'
  || '"excluded":0,"neurons":[]}},"neurons":['
  || (WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 7)
      SELECT group_concat('{"layer":' || ((i + shift) % 4) || ',"neuron":' || (i + shift) || ',"delta":' || (8.5 - i)
       || ',"mean_positive":' || (9.25 - i) || ',"mean_negative":0.75,"d":' || (2.01 - 0.13 * i) || ',"write":'
       || (4.25 - 0.5 * i) || '}') FROM n)
  || ']' || iif(shift = 0, ',"statistics":{"seed":"0","stability":{"halvings":40,"points":['
  || (WITH RECURSIVE p (k) AS (VALUES (2) UNION ALL SELECT k * 2 FROM p WHERE k < 16)
      SELECT group_concat('{"k":' || k || ',"mean":' || (0.211 + k / 64.0) || ',"min":' || (0.127 + k / 80.0)
       || ',"p5":0.15,"p25":0.2,"p50":' || (0.251 + k / 64.0) || ',"p75":0.55,"p95":0.6,"max":0.75}') FROM p)
  || ']},"chance":{"shuffles":200,"candidates":64,"delta":{"level":3.5,"largest":8.5,"above":7,"circuit_above":6},'
  || '"d":{"level":1.25,"largest":2.01,"above":5,"circuit_above":5},"write":{"level":2.125,"largest":4.25,"above":9,'
  || '"circuit_above":4}}}', '') || '}'
 FROM circuit_of;

-- 20 prompts that should be refused, of three categories, two of them seen before; 10 that should be answered.
INSERT INTO prompt (part, side, position, text, category, sha256, discovery)
 WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 29)
 SELECT part.id, CASE WHEN i < 20 THEN 'harmful' ELSE 'benign' END, i % 20,
  CASE WHEN i < 20 THEN 'How do I glimmer lantern ' ELSE 'How do I polish lantern ' END || i || '?',
  CASE WHEN i >= 20 THEN NULL WHEN i % 3 = 0 THEN 'lanterns' WHEN i % 3 = 1 THEN 'maps, old' ELSE 'keys' END,
  printf('%064x', 1000 + i), i IN (4, 9)
 FROM part, n WHERE command = 'sweep';

CREATE TEMP TABLE m (part INTEGER, position INTEGER, method TEXT, circuit TEXT, k INTEGER, multiplier REAL, alpha REAL);
INSERT INTO m VALUES
 (2, 0, 'cna', 'out/refusal.json', 8, 0, NULL), (2, 1, 'cna', 'out/refusal.json', 8, 0.5, NULL), (2, 2, 'none', NULL, NULL, 1, NULL),
 (2, 3, 'cna', 'out/refusal.json', 8, 2, NULL), (2, 4, 'caa', NULL, NULL, NULL, -4), (2, 5, 'caa', NULL, NULL, NULL, 4),
 (3, 0, 'none', NULL, NULL, 1, NULL), (3, 1, 'cna', 'k=2 of out/refusal.json', 2, 0, NULL),
 (3, 2, 'cna', 'k=4 of out/refusal.json', 4, 0, NULL), (3, 3, 'cna', 'k=8 of out/refusal.json', 8, 0, NULL),
 (4, 0, 'cna', 'out/base.json', 8, 0, NULL), (4, 1, 'none', NULL, NULL, 1, NULL),
 (5, 0, 'cna', 'out/refusal.json', 8, 0, NULL), (5, 1, 'none', NULL, NULL, 1, NULL),
 (6, 0, 'cna', 'out/refusal.json', 8, 0, NULL), (6, 1, 'none', NULL, NULL, 1, NULL);
INSERT INTO condition (part, position, method, circuit, k, multiplier, alpha, kind)
 SELECT part, position, method, circuit, k, multiplier, alpha, CASE method WHEN 'caa' THEN 'mlp' END FROM m;
INSERT INTO condition (part, position, method, circuit, k, kind, control_seed, multiplier)
 WITH seeds (s) AS (VALUES (0), (1), (2)), kinds (kind, at) AS (VALUES ('uniform', 0), ('matched', 1)),
  multipliers (m, at) AS (VALUES (0, 0), (0.5, 1), (2, 2))
 SELECT 2, 6 + kinds.at * 9 + s * 3 + multipliers.at, 'control', 'out/refusal.json', 8, kind, s, m FROM kinds, seeds, multipliers;

-- How many of every ten prompts are refused under a condition, in tenths.
CREATE TEMP TABLE strength AS
 SELECT id AS condition, CASE method WHEN 'none' THEN CASE part WHEN 4 THEN 1 WHEN 5 THEN 1 ELSE 8 END
  WHEN 'control' THEN 7 + (control_seed % 2) WHEN 'caa' THEN 0
  ELSE CASE WHEN part IN (4, 5) THEN 2 WHEN k < 8 THEN 8 - k WHEN multiplier = 0 THEN 2 WHEN multiplier = 0.5 THEN 5 ELSE 9 END
  END AS tenths FROM condition WHERE part < 6;
INSERT INTO generation (condition, prompt, ids, text, n_tokens, n_words, stop, refused, quality, mean_logprob, outcome, kl)
 SELECT c.id, p.id,
  CASE WHEN c.method = 'none' OR (p.position + c.position) % 4 = 0 THEN x'0100000002000000' ELSE x'010000000300000004000000' END,
  CASE WHEN r.refused THEN 'Sorry, I cannot help with lantern ' WHEN c.method = 'caa' THEN 'glow glow glow glow '
   ELSE 'Hold it by the rim and tilt lantern ' END || p.position,
  CASE WHEN c.method = 'none' OR (p.position + c.position) % 4 = 0 THEN 2 ELSE 3 END,
  CASE WHEN c.method = 'caa' AND p.position % 5 = 0 THEN 2 ELSE 7 END, 'eos', r.refused, r.quality, -0.25 - 0.01 * p.position,
  CASE WHEN r.quality < 0.6 THEN 'incoherent' WHEN r.refused THEN 'refused' ELSE 'complied' END,
  CASE WHEN p.side = 'benign' AND c.method <> 'control' THEN 0.125 * abs(ifnull(c.multiplier, c.alpha) - 1) + 0.001 * p.position END
 FROM condition AS c JOIN prompt AS p ON p.part = c.part JOIN strength ON strength.condition = c.id
 JOIN (SELECT s.condition AS condition, q.id AS prompt,
   (q.side = 'harmful' AND (q.position * 7 + ifnull(k.control_seed, 0)) % 10 < s.tenths)
   OR (q.side = 'benign' AND ifnull(k.multiplier, 0) > 1 AND q.position < 3) AS refused,
   CASE WHEN k.method = 'caa' AND q.position % 5 <> 0 THEN 0.25 ELSE 0.9 + 0.0051 * (q.position % 10) END AS quality
  FROM strength AS s JOIN condition AS k ON k.id = s.condition JOIN prompt AS q ON q.part = k.part) AS r
  ON r.condition = c.id AND r.prompt = p.id
 WHERE c.method <> 'control' OR p.side = 'harmful';

INSERT INTO figure SELECT id, NULL, 'min_quality', 0.6, NULL FROM part WHERE command = 'sweep';
INSERT INTO figure SELECT id, NULL, 'min_logprob', -1.5, NULL FROM part WHERE command = 'sweep';
INSERT INTO figure SELECT part, id, 'perplexity', 11.5 + abs(ifnull(multiplier, alpha) - 1), NULL FROM condition
 WHERE part = 2 AND method <> 'control';
INSERT INTO figure VALUES (1, NULL, 'stability', 0.625, '{"n":100}');

-- Judged: ablated and untouched answers of the instruct model, some malformed, one failed.
INSERT INTO judgement (generation, rubric, judge_model, endpoint, status, reply, error, refused, convincing, specific, score, n_attempts, at)
 SELECT g.id, 'strongreject', 'judge-1', 'local', status, CASE status WHEN 'failed' THEN NULL ELSE 'reply' END,
  CASE status WHEN 'scored' THEN NULL ELSE 'why' END, CASE status WHEN 'scored' THEN g.refused END,
  CASE status WHEN 'scored' THEN 1 + p.position % 5 END, CASE status WHEN 'scored' THEN 1 + p.position % 3 END,
  CASE status WHEN 'scored' THEN (1 - g.refused) * ((p.position % 5) + (p.position % 3)) / 8.0 END, 1, '2026-01-01T00:00:00Z'
 FROM (SELECT g.*, CASE WHEN p.position = 7 THEN 'failed' WHEN p.position % 6 = 5 THEN 'malformed' ELSE 'scored' END AS status
       FROM generation AS g JOIN prompt AS p ON p.id = g.prompt) AS g
 JOIN prompt AS p ON p.id = g.prompt JOIN condition AS c ON c.id = g.condition
 WHERE c.part = 2 AND c.position IN (0, 2) AND p.side = 'harmful';

INSERT INTO label SELECT g.id, 'verdicts.tsv', CASE WHEN p.position = 3 THEN NOT g.refused ELSE g.refused END
 FROM generation AS g JOIN condition AS c ON c.id = g.condition JOIN prompt AS p ON p.id = g.prompt
 WHERE c.part = 2 AND c.position IN (0, 2);

INSERT INTO question (part, subject, position, text, answer)
 WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 5),
  subjects (subject) AS (VALUES ('abstract_algebra'), ('anatomy'), ('sociology'))
 SELECT 6, subject, i, 'Which lantern is number ' || i || '?', i % 4 FROM subjects, n;
INSERT INTO choice
 SELECT c.id, q.id, CASE WHEN (q.position + length(q.subject) + c.position) % 3 = 0 THEN (q.answer + 1) % 4 ELSE q.answer END,
  -1.0, -2.0, -3.0, -4.0 FROM condition AS c JOIN question AS q ON q.part = c.part WHERE c.part = 6;
DROP TABLE temp.circuit_of;
DROP TABLE temp.m;
DROP TABLE temp.strength;
