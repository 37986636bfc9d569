"""`segedu grade`: a folder of submissions to results, gradebook, CSV and pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segedu.grading.assignment import Assignment
from segedu.grading.engines import choose_engine
from segedu.grading.gradebook import GradebookProcess
from segedu.grading.grader import Result
from segedu.grading.pages import write_pages
from segedu.grading.pool import Job, grade_in_pool, grade_on_cluster
from segedu.grading.results import ResultStore
from segedu.grading.submissions import Submission, find_submissions


@dataclass(frozen=True)
class Options:
    """Choices of one run.

    Attributes:
        output: folder for everything that is written.
        seed: of the hidden inputs; None goes on with the last run's, or draws one.
        processes: how many submissions at a time; 0 takes the number of cores.
        regrade: grade again what is already graded.
        unsafe: without a sandbox.
        gradebook: URL of nbgrader's database; None for SQLite in `output`, "" for none.
        scheduler: address of a Dask scheduler.
    """

    output: Path
    seed: int | None = None
    processes: int = 0
    regrade: bool = False
    unsafe: bool = False
    gradebook: str | None = None
    scheduler: str | None = None


@dataclass
class Run:
    """What a batch did."""

    assignment: Assignment
    store: ResultStore
    results: list[Result] = field(default_factory=list)
    resumed: int = 0
    gradebook: str = ""


Progress = Callable[[int, int, str], None]


def grade_batch(
    submissions: Path, assignment_folder: Path, options: Options, progress: Progress | None = None
) -> Run:
    """Grade everything under `submissions`; see `Options` and `results` for what comes out."""
    engine = choose_engine(options.unsafe)
    job_folder = assignment_folder.resolve()
    job = Job(job_folder, 0, engine)
    assignment = job.assignment
    found = find_submissions(submissions, assignment)
    store = ResultStore(options.output, assignment, options.seed, engine)
    job = Job(job_folder, store.seed, engine)
    run = Run(assignment, store)
    done = {} if options.regrade else {s.key: r for s in found if (r := store.finished(s))}
    pending = [s for s in found if s.key not in done]
    run.results = list(done.values())
    run.resumed = len(done)
    url = options.gradebook
    if url is None:
        url = f"sqlite:///{(options.output / 'gradebook.db').resolve()}"
    run.gradebook = url
    book = GradebookProcess(url, assignment, options.output) if url else None
    try:
        if book and pending and _may_hold_scores(url):
            book.reset([s.key for s in pending])
        for submission in pending:  # after the gradebook has shown that it can be written
            store.reset(submission)
        for submission, result in _graded(job, pending, options):
            store.write(submission, result)
            run.results.append(result)
            if progress:
                progress(len(run.results), len(found), submission.student)
        run.results.sort(key=lambda r: r["student"])
        store.write_csv(run.results)
        write_pages(options.output, assignment, run.results)
        if book:
            book.save(run.results)
    finally:
        if book:
            book.close()
    return run


def _graded(
    job: Job, pending: list[Submission], options: Options
) -> Iterator[tuple[Submission, Result]]:
    if not pending:
        return iter(())
    if options.scheduler:
        return grade_on_cluster(job, pending, options.scheduler)
    return grade_in_pool(job, pending, options.processes or os.cpu_count() or 1)


def _may_hold_scores(url: str) -> bool:
    path = url.removeprefix("sqlite:///")
    return path == url or Path(path).exists()
