// One line per file of this folder; a test compares the two.
#pragma once

#include "cli/command.h"

namespace jiang {

extern const Command kRun;
extern const Command kTokenize;
extern const Command kTemplate;
extern const Command kLogits;
extern const Command kShow;
extern const Command kList;
extern const Command kPull;
extern const Command kCreate;
extern const Command kRm;
extern const Command kCp;
extern const Command kVerify;
extern const Command kGc;
extern const Command kDu;
extern const Command kEmbed;
extern const Command kPerplexity;
extern const Command kRunCode;
extern const Command kEval;
extern const Command kBench;
extern const Command kBenchServe;
extern const Command kDoctor;
extern const Command kQuantize;
extern const Command kImatrix;
extern const Command kBackup;
extern const Command kRestore;
extern const Command kTrainTokenizer;
extern const Command kTrainPretrain;
extern const Command kTrainSft;
extern const Command kTrainDpo;
extern const Command kTrainLora;
extern const Command kTrainPairs;
extern const Command kMerge;
extern const Command kCompletion;
extern const Command kServe;
extern const Command kDevMakeModel;
extern const Command kDevQuantError;

}  // namespace jiang
