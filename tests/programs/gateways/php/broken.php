<?php
header("Content-Type: text/gemini");
no_such_function();
