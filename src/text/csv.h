/* SPDX-License-Identifier: MIT
 * CSV as RFC 4180 has it: fields with commas between, in quotes where they hold commas, quotes or line ends. A line
 * ends with \n, \r\n or \r. */
#ifndef CNA_TEXT_CSV_H
#define CNA_TEXT_CSV_H

#include "text/reader.h"

/* Before the first field of a file. */
void cna_csv_begin(cna_reader *reader);

/* Read one field and the comma or line end behind it. A line with nothing on it is one empty field.
 *   field  receives the field's text; what it held is forgotten
 *   last   whether the line, or the file, ends behind it
 * Errors: ERR_FORMAT for a quote that is not closed or stands inside a field, or text behind a closing quote. */
CNA_MUST_CHECK cna_status cna_csv_field(cna_reader *reader, cna_buffer *field, bool *last, cna_error *err);

/* Whether the file has more fields. */
bool cna_csv_has_more(const cna_reader *reader);

/* Whether what is read next is a line with nothing on it. */
bool cna_csv_at_blank(const cna_reader *reader);

#endif
