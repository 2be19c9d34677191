"""Run by ``torchrun`` in two processes: trains the tiny run and leaves each process's weights."""

import os
import sys
from pathlib import Path

import torch
from tiny_run import config, data

from napari_cerberus.progress import run_to_end
from napari_cerberus.training.engine import loop
from napari_cerberus.training.engine.loop import train
from napari_cerberus.training.process_group import ProcessGroup


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    judge = loop.validate

    def validate(*given):
        (folder / f"judged by {rank}").touch()
        return judge(*given)

    loop.validate = validate
    trained = run_to_end(train(config(sampling="mixed", steps=3), data(), folder))
    torch.save(trained.network.state_dict(), folder / f"rank{rank}.pt")
    (folder / f"step{rank}.txt").write_text(f"{trained.step} {trained.scores.overall}")
    assert ProcessGroup(rank, 2).is_rank_zero == (rank == 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
