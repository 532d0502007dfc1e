<?php
header("Location: https://{$_SERVER['HTTP_HOST']}/php/page.php?from=here", true, 301);
