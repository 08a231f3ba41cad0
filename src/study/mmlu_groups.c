/* SPDX-License-Identifier: MIT
 * MMLU's subjects and their groups, as lm-evaluation-harness 0.4.13 has them (tasks/mmlu/default, "tag"). */
#include <string.h>

#include "study/mmlu_data.h"

#define STEM CNA_MMLU_STEM
#define HUMANITIES CNA_MMLU_HUMANITIES
#define SOCIAL CNA_MMLU_SOCIAL_SCIENCES
#define OTHER CNA_MMLU_OTHER

static const cna_mmlu_subject subjects[CNA_MMLU_N_SUBJECTS] = {
    {"abstract_algebra", STEM},
    {"anatomy", STEM},
    {"astronomy", STEM},
    {"business_ethics", OTHER},
    {"clinical_knowledge", OTHER},
    {"college_biology", STEM},
    {"college_chemistry", STEM},
    {"college_computer_science", STEM},
    {"college_mathematics", STEM},
    {"college_medicine", OTHER},
    {"college_physics", STEM},
    {"computer_security", STEM},
    {"conceptual_physics", STEM},
    {"econometrics", SOCIAL},
    {"electrical_engineering", STEM},
    {"elementary_mathematics", STEM},
    {"formal_logic", HUMANITIES},
    {"global_facts", OTHER},
    {"high_school_biology", STEM},
    {"high_school_chemistry", STEM},
    {"high_school_computer_science", STEM},
    {"high_school_european_history", HUMANITIES},
    {"high_school_geography", SOCIAL},
    {"high_school_government_and_politics", SOCIAL},
    {"high_school_macroeconomics", SOCIAL},
    {"high_school_mathematics", STEM},
    {"high_school_microeconomics", SOCIAL},
    {"high_school_physics", STEM},
    {"high_school_psychology", SOCIAL},
    {"high_school_statistics", STEM},
    {"high_school_us_history", HUMANITIES},
    {"high_school_world_history", HUMANITIES},
    {"human_aging", OTHER},
    {"human_sexuality", SOCIAL},
    {"international_law", HUMANITIES},
    {"jurisprudence", HUMANITIES},
    {"logical_fallacies", HUMANITIES},
    {"machine_learning", STEM},
    {"management", OTHER},
    {"marketing", OTHER},
    {"medical_genetics", OTHER},
    {"miscellaneous", OTHER},
    {"moral_disputes", HUMANITIES},
    {"moral_scenarios", HUMANITIES},
    {"nutrition", OTHER},
    {"philosophy", HUMANITIES},
    {"prehistory", HUMANITIES},
    {"professional_accounting", OTHER},
    {"professional_law", HUMANITIES},
    {"professional_medicine", OTHER},
    {"professional_psychology", SOCIAL},
    {"public_relations", SOCIAL},
    {"security_studies", SOCIAL},
    {"sociology", SOCIAL},
    {"us_foreign_policy", SOCIAL},
    {"virology", OTHER},
    {"world_religions", HUMANITIES},
};

const cna_mmlu_subject *cna_mmlu_subjects(void)
{
    return subjects;
}

const char *cna_mmlu_group_name(cna_mmlu_group group)
{
    static const char *const names[CNA_MMLU_N_GROUPS] = {"stem", "humanities", "social_sciences", "other"};
    return names[group];
}

size_t cna_mmlu_find_subject(const char *name)
{
    size_t i = 0;
    while (i < CNA_MMLU_N_SUBJECTS && strcmp(subjects[i].name, name) != 0) i++;
    return i;
}
