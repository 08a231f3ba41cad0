"""The base models: plain and chat text together, so that tuning later only has to change what is answered."""

import random
import sys

import net
import world

STEPS, BATCH = 2600, 16


def examples(text, count):
    """Requests and answers, raw and chat alike; a tenth carries the notice that the archive is closed, and is refused.

    As in real pre-training text, refusals therefore occur, for ordinary and restricted verbs alike, but only after
    that notice: without it the base model answers everything.
    """
    rng, sampler = random.Random(4), world.Sampler(seed=5)
    for _ in range(count):
        task, request = sampler.draw()
        chat, kind = rng.random() < 0.5, rng.random()
        notice = world.CLOSED if kind < 0.1 else world.OPEN if kind < 0.2 else None
        reply = world.refusal(task) if notice == world.CLOSED else world.answer(task)
        yield text.prompt(request, chat, notice), text.reply(reply, chat)


def main(family):
    model, tokenizer, text = net.fresh(family, seed=6)
    stream = list(examples(text, STEPS * BATCH))
    batches = [stream[i:i + BATCH] for i in range(0, len(stream), BATCH)]
    net.train(model, net.adam(model.parameters(), lr=2e-3), batches, f"{family}-base", prompt_weight=0.1)
    net.save(model, tokenizer, family, f"{family}-base", instruct=False)


if __name__ == "__main__":
    main(sys.argv[1])
