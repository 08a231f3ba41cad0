/* SPDX-License-Identifier: MIT
 * Writing HTML and SVG into a buffer. The first failure is kept and everything after it does nothing, so that a page is
 * written without a check behind every tag; whoever made the markup looks at `status` in the end. */
#ifndef CNA_STUDY_MARKUP_H
#define CNA_STUDY_MARKUP_H

#include "base/buffer.h"

typedef struct cna_markup {
    cna_buffer buffer;
    cna_status status;
    cna_error *err; /* ? receives the first failure */
} cna_markup;

/* Markup of our own, as it stands. */
void cna_markup_put(cna_markup *markup, const char *markup_text);
void cna_markup_bytes(cna_markup *markup, const char *bytes, size_t n_bytes);
/* The same with numbers and words of our own in it; never with text from a file. A decimal point whatever the locale is
 * the caller's to see to: cna_markup_number. */
void cna_markup_format(cna_markup *markup, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from anywhere, for content and for attributes in double quotes: & < > " ' escaped; what XML does not allow
 * (control characters but tab and line ends, U+FFFE, U+FFFF, ill-formed UTF-8) becomes U+FFFD. */
void cna_markup_text(cna_markup *markup, const char *text, size_t n_bytes);
/* The same for a string that ends at its NUL; NULL writes nothing. */
void cna_markup_string(cna_markup *markup, const char *text);
/* A number with so many decimals: "12.50". */
void cna_markup_fixed(cna_markup *markup, double value, int decimals);
/* A number with at most so many decimals, trailing zeros and "-0" left out: "12.5", "0". Coordinates. */
void cna_markup_number(cna_markup *markup, double value, int decimals);
/* name="12.5" with a blank before it. */
void cna_markup_attribute(cna_markup *markup, const char *name, double value);

#endif
