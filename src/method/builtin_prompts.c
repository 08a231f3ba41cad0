/* SPDX-License-Identifier: MIT
 * The built-in prompts for universal neurons: our own, 40, as unlike one another as short plain texts can be,
 * so that what fires on most of them belongs to no topic. Changing one changes circuits: then name a new
 * source in attribute.c. */
#include <string.h>

#include "method/universal.h"

const char *const cna_universal_prompts[] = {
    /* statements of fact */
    "The river rises in the mountains, crosses two provinces and reaches the sea near",
    "Water is made of hydrogen and",
    "In the spring of 1848 the railway between the two towns was finally",
    "Honey bees tell each other where flowers are by",
    "The largest planet of the solar system is",
    /* stories */
    "The old lighthouse keeper climbed the stairs, lit the lamp and",
    "Nobody in the village remembered when the clock had last",
    "She opened the letter slowly, read the first line and began to",
    /* questions and answers */
    "Question: How many sides does a hexagon have?\nAnswer:",
    "What is a good way to keep bread fresh for a week?",
    "Why do leaves change their colour in autumn?",
    "Which of these is a fruit: a carrot, a potato or a pear?",
    /* dialogue */
    "\"Are you coming to the market?\" asked Tom.\n\"Not today,\" said Ann, \"because",
    "A: Good morning, how can I help you?\nB: I would like two tickets to",
    "Teacher: Who can tell me what a verb is?\nStudent:",
    /* code */
    "def area(width, height):\n    return",
    "for (int i = 0; i < n; i++) {\n    sum +=",
    "SELECT name, price FROM products WHERE price <",
    "<ul>\n  <li>Apples</li>\n  <li>",
    "$ git commit -m \"",
    "{\"name\": \"lamp\", \"colour\": \"green\", \"height\":",
    /* numbers */
    "2, 4, 8, 16, 32,",
    "12 + 30 =",
    "If a train covers 180 kilometres in two hours, its average speed is",
    "Total: 3 items, 14.50 + 7.25 + 2.00 =",
    /* lists and forms */
    "Shopping list:\n- milk\n- eggs\n-",
    "To make tea:\n1. Boil the water.\n2.",
    "Name: Maria Lopez\nOccupation: carpenter\nCity:",
    "Monday: rain, 12 degrees. Tuesday: sun, 17 degrees. Wednesday:",
    /* registers */
    "Dear Sir or Madam,\n\nI am writing to ask about the",
    "omg that film was so good, the ending made me",
    "Roses are red, violets are",
    "Breaking: the city council voted last night to",
    "The defendant shall pay the costs of the proceedings within thirty days of",
    /* other languages */
    "Le petit chat dort sur la chaise pr\xC3\xA8s de la",
    "Morgen fahren wir mit dem Zug nach",
    "El mercado abre a las ocho y los s\xC3\xA1"
    "bados cierra a las",
    "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE5\xBE\x88\xE5\xA5\xBD\xEF\xBC\x8C\xE6\x88\x91\xE4\xBB"
    "\xAC\xE5"
    "\x8E\xBB", /* Chinese: the weather is fine today, we go to */
    "\xD0\x97\xD0\xB8\xD0\xBC\xD0\xBE\xD0\xB9 \xD0\xB2 \xD0\xBB\xD0\xB5\xD1\x81\xD1\x83 "
    "\xD1\x82\xD0\xB8\xD1\x85\xD0"
    "\xBE \xD0\xB8", /* Russian: in winter the forest is quiet and */
    /* almost nothing */
    "The",
    NULL,
};

cna_status cna_universal_builtin(cna_prompts **out, cna_error *err)
{
    cna_prompts *prompts;
    CNA_TRY(cna_prompts_create(&prompts, err));
    for (const char *const *text = cna_universal_prompts; *text != NULL; text++) {
        cna_status status = cna_prompts_add_text(prompts, *text, strlen(*text), err);
        if (status != CNA_OK) {
            cna_prompts_free(prompts);
            return status;
        }
    }
    *out = prompts;
    return CNA_OK;
}
