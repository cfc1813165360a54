//! A clock that is wrong frees no cap, erases nothing and makes no token good.
