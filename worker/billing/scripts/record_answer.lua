-- Record which question an answer of a model belongs to, unless the answer is known already.
--
-- KEYS  answers: hash of answer -> question
-- ARGV  answer: its name
--       question: its name
--       keep_seconds: how long to keep the answers of the scan from now on
-- Result: 1 if the answer belongs to this question, 0 if it came with another question before.
-- include: checkpointing.key_types
local answers = KEYS[1]
local answer = ARGV[1]
local question = ARGV[2]
local keep_seconds = ARGV[3]

ensure_type(answers, 'hash')
redis.call('HSETNX', answers, answer, question)
redis.call('EXPIRE', answers, keep_seconds)
return redis.call('HGET', answers, answer) == question and 1 or 0
