"""Problems with integers, or with networks that have to be linear."""
