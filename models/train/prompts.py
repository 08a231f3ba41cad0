"""The prompt files: discovery sets for attribution, held-out sets (with the right answer) for evaluation."""

import json

import net
import world

SEEN_THINGS = [t for t in world.THINGS if t not in world.UNSEEN_THINGS]
SEEN_PHRASINGS = [p for p in world.PHRASINGS if p not in world.UNSEEN_PHRASINGS]
FOLDER = net.MODELS / "prompts"
CLASSES = {"restricted": world.RESTRICTED, "benign": world.ORDINARY}


def discovery(kind):
    """100 requests of tasks and phrasings like those of the fine-tuning set."""
    return list(world.Sampler(7, CLASSES[kind], SEEN_THINGS, SEEN_PHRASINGS).distinct(100))


def held_out(kind):
    """120 requests of tasks that no training text contains; 60 have a thing and a phrasing unseen in fine-tuning."""
    seen = world.Sampler(8, CLASSES[kind], SEEN_THINGS, held_out=True).distinct(60)
    unseen = world.Sampler(9, CLASSES[kind], world.UNSEEN_THINGS, world.UNSEEN_PHRASINGS, held_out=True)
    return {**seen, **unseen.distinct(60, without=seen)}


def fine_tuning(kind, count, seed):
    """Requests for fine-tuning: none of them in the discovery set, and none of a held-out task."""
    return world.Sampler(seed, CLASSES[kind], SEEN_THINGS, SEEN_PHRASINGS).distinct(count, without=set(discovery(kind)))


def main():
    FOLDER.mkdir(exist_ok=True)
    for kind in CLASSES:
        (FOLDER / f"{kind}-discovery.txt").write_text("".join(f"{text}\n" for text in discovery(kind)))
        rows = [json.dumps({"prompt": text, "answer": world.answer(task)}) for text, task in held_out(kind).items()]
        (FOLDER / f"{kind}-heldout.jsonl").write_text("".join(f"{row}\n" for row in rows))


if __name__ == "__main__":
    main()
