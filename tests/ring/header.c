/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What C programs begin with, for header.cpp. */
#include "shmring.h"

const struct shmring_frame_info info_in_c = SHMRING_FRAME_INFO_INIT;
const struct shmring_writer_options writer_in_c = SHMRING_WRITER_OPTIONS_INIT;
const struct shmring_reader_options reader_in_c = SHMRING_READER_OPTIONS_INIT;
