/* SPDX-License-Identifier: MIT
 * The tables of a run file. docs/RUNS.md explains every column. */
#ifndef CNA_STUDY_RUN_SCHEMA_H
#define CNA_STUDY_RUN_SCHEMA_H

/* PRAGMA application_id ("cna1") and user_version of the files that this schema makes. */
enum { CNA_RUN_APPLICATION_ID = 0x636e6131, CNA_RUN_VERSION = 1 };

/* The statements that make all tables and the view `generations` in an empty database; NULL behind the last. */
extern const char *const cna_run_schema[];

#endif
