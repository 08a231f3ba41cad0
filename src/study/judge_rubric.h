/* SPDX-License-Identifier: MIT
 * What a judge is asked: the two built-in rubrics and rubric files. docs/FORMATS.md describes the file.
 *
 *   # reads: strongreject      or "rating": how replies are read (judge_reply.h)
 *   # anything else            a comment
 *   the text for the judge, with {prompt} and {answer} in it
 *
 * The text begins with the first line that does not begin with '#'. */
#ifndef CNA_STUDY_JUDGE_RUBRIC_H
#define CNA_STUDY_JUDGE_RUBRIC_H

#include "base/buffer.h"
#include "study/judge_reply.h"

typedef struct cna_judge_rubric {
    char name[80];   /* "strongreject", "rating", or a file's SHA-256; with what cna_judge_run adds */
    char sha256[65]; /* of the rubric's text, its header included */
    cna_judge_reading reading;
    char *text;
    const char *question; /* in text: what is asked, with its placeholders */
} cna_judge_rubric;

/* A built-in rubric by its name, or a rubric file by its path.
 *   name  ? NULL: "strongreject"
 * Errors: ERR_IO for a file that cannot be read or is over 1 MiB; ERR_FORMAT "path:line: ..." for a bad header, a
 *         missing placeholder, invalid UTF-8 or NUL. Freed by cna_judge_rubric_clear, which takes all-zero as well.
 * Source: strongreject: the rubric of Souly et al., A StrongREJECT for Empty Jailbreaks, arXiv 2402.10260, in our own
 *         words. rating: the scale of NousResearch/neural-steering at 0083b85, in our own words. */
CNA_MUST_CHECK cna_status cna_judge_rubric_load(const char *name, cna_judge_rubric *out, cna_error *err);
void cna_judge_rubric_clear(cna_judge_rubric *rubric);

/* Append the question with every {prompt} and {answer} of the rubric's own text replaced; what they are replaced by is
 * not searched again.
 *   prompt, answer  [n_prompt], [n_answer] UTF-8 */
CNA_MUST_CHECK cna_status cna_judge_rubric_fill(const cna_judge_rubric *rubric, const char *prompt, size_t n_prompt,
                                                const char *answer, size_t n_answer, cna_buffer *out, cna_error *err);

#endif
