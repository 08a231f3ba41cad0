DROP INDEX generation_prompt;
